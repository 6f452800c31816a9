-- expect: ok
on("x", function()
  for _, bad in ipairs { "", ".", "..", "../x", "/etc/passwd", "a\0b", ("x"):rep(1e6), "moongate/base", "moongate.base", "base.lua", "loop_a.lua", "conf/loop_a", "@loop_a", "moongate" } do
    local ok, e = pcall(require, bad)
    assert(not ok and e:find("there is no module", 1, true), bad)
  end
  for _, bad in ipairs { 5, {}, print, true } do assert(not pcall(require, bad)) end
  assert(not pcall(require))
end)
