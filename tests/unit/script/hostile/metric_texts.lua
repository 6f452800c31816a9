-- expect: refused may hold
-- Names and helps that are refused leave nothing behind that grows.
local text = ("x"):rep(1e6)
while true do
  local ok, e = pcall(function() counter(text) {} end)
  if e:find("may hold", 1, true) then error(e, 0) end
  pcall(function() counter "a_total" { help = text } end)
  pcall(function() counter "a_total" { labels = { text } } end)
  pcall(function() counter "a_total" { unit = text } end)
end
