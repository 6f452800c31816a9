-- expect: any
-- Labels and jumps, which the compiler matches with each other.
on("x", function()
  local text = {}
  for i = 1, 2000 do text[#text + 1] = ("goto l%d "):format(i) end
  for i = 1, 2000 do text[#text + 1] = ("::l%d:: "):format(i) end
  local s = table.concat(text):sub(1, 65000):match("^(.*) ")
  for _ = 1, 3 do load(s) end
  for _ = 1, 3 do load(("do goto x end "):rep(4500)) load(("while a do break end "):rep(3000)) load(("repeat local a until a "):rep(2500)) end
end)
