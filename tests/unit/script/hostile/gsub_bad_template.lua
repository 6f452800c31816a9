-- expect: ok
on("x", function()
  for _, bad in ipairs { "%2", "%9" } do assert(not pcall(string.gsub, "abc", "(b)", bad), bad) end
  assert(("abc"):gsub("b", "%") and ("abc"):gsub("b", "%x") and ("abc"):gsub("b", "%%") == "a%c")
  for _, bad in ipairs { print, {}, true } do assert(not pcall(string.gsub, "abc", "b", function() return bad end) or bad == nil) end
  assert(not pcall(string.gsub, "abc", "b", nil) and not pcall(string.gsub, "abc", "b", true))
  assert(("abc"):gsub("b", "x", -1) == "abc" and ("abc"):gsub("", "-", 1e9) == "-a-b-c-")
end)
