-- expect: any
-- Constructors and counts that ask for room beforehand.
on("x", function()
  for _, n in ipairs { 10, 1000, 16000 } do pcall(load("return { " .. ("1,"):rep(n) .. " }")) pcall(load("return { " .. ("[1]=1,"):rep(n / 4) .. " }")) end
  pcall(function() return { unpack({}, 1, 7900) } end)
  while true do local ok = pcall(function() local t = {} for i = 2 ^ 20, 1, -1 do t[i] = i end end) if not ok then return end end
end)
