-- expect: refused loading scripts/metrics/top_level_globals.lua takes
for i = 1, 1e9 do _G["g" .. i] = ("x"):rep(1000) end
