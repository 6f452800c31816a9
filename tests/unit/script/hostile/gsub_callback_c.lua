-- expect: any
-- C functions as replacements run no instruction between matches.
local s = state "c"
on("x", function()
  local text = ("ab"):rep(5e5)
  pcall(string.gsub, text, "(a)(b)", s.get)
  pcall(string.gsub, text, ".", os.date)
  pcall(string.gsub, text, ".", math.random)
  pcall(string.gsub, text, ".", string.rep)
  pcall(string.gsub, text, ".", coroutine.create)
  pcall(string.gsub, text, ".+", load)
  pcall(string.gsub, text, "()", now)
  while true do pcall(string.gsub, text, "..", s.count) end
end)
