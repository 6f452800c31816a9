-- expect: cut time
on("x", function()
  local pattern = ("(.-)"):rep(32) .. "b"
  return (("a"):rep(65536):gsub(pattern, "%9"))
end)
