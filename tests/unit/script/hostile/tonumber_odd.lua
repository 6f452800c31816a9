-- expect: ok
on("x", function()
  for _, base in ipairs { 0, 1, 37, -1, 1e300, 0 / 0, 2 ^ 31 } do assert(not pcall(tonumber, "1", base)) end
  for _, s in ipairs { "", " ", "0x", "0x.p", "1e", "1e99999", "-", "nan", "inf", "0b1", "1_000", ("9"):rep(1e5), "0x" .. ("f"):rep(1e5), "1e" .. ("9"):rep(1e5), ("0"):rep(1e5) .. "1",
    "0." .. ("0"):rep(1e5) .. "1", "\0" .. "1", "1\0", (" "):rep(1e5) .. "1" } do
    pcall(tonumber, s)
    pcall(tonumber, s, 36)
    pcall(tonumber, s, 2)
  end
  assert(tonumber {} == nil and tonumber(nil) == nil and not pcall(tonumber))
end)
