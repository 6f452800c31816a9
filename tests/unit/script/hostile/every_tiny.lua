-- expect: refused every:
for _, interval in ipairs { 0, -1, 1e-9, 0 / 0, 1e300, "0s", "-1s", "", "1", ("1h"):rep(1e5), {}, print } do
  assert(not pcall(every, interval, print), tostring(interval))
end
every(0, print)
