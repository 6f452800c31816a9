-- expect: any
local names = {}
for i = 1, 16 do names[i] = "l" .. i end
local c, d = counter "huge_total" { labels = names, max_series = 100 }, topk "huge_topk" { labels = { "a" }, k = 5 }
on("x", function()
  local text = ("x"):rep(5e5)
  local values = {}
  for i = 1, 16 do values[i] = text end
  for i = 1, 1000 do
    values[16] = i
    c:inc(unpack(values))
    d:inc(text .. i % 3)
    local b = c:with { l1 = text, l2 = "", l3 = 1, l4 = true, l5 = "", l6 = "", l7 = "", l8 = "", l9 = "", l10 = "", l11 = "", l12 = "", l13 = "", l14 = "", l15 = "", l16 = "" }
    b:inc()
  end
end)
