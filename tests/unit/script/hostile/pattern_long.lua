-- expect: any
on("x", function()
  local text = ("a"):rep(65536)
  return text:find(("a"):rep(65536) .. "[b]") or text:find(("[a]"):rep(30000)) or text:find(("%a"):rep(60000) .. "[b]")
end)
