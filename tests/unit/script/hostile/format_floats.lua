-- expect: any
-- The stock format with as many of its most expensive conversions as a call can have: one C function, which nothing interrupts.
on("x", function()
  local numbers = {}
  for i = 1, 7000 do numbers[i] = -1.7e308 / i end
  while true do
    local ok = pcall(string.format, ("%99.99f"):rep(7000), unpack(numbers))
    if not ok then return end
  end
end)
