-- expect: ok
on("x", function()
  local text = ("\0"):rep(1000) .. "a\0b"
  assert(text:find("\0b") == 1002 and text:find("a%zb") == 1001 and select(2, text:gsub("\0", "")) == 1001)
  assert(text:find("a\0b", 1, true) == 1001 and #text:match("[\0]+") == 1000)
end)
