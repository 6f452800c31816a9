-- expect: ok
on("x", function()
  for _, bad in ipairs { 5, {}, true, coroutine.create(print) } do assert(not pcall(load, bad)) end
  assert(load("", "@scripts/metrics/other.lua") and load("error()", ("@"):rep(1e5)))
  local _, e = pcall(load("error 'x'", "@../../etc/passwd"))
  assert(#e < 200)
  assert(not pcall(load, "return 1", {}, "t") and load("return 1", "n", "b")() == 1 and load("return 1", "n", 5)() == 1)
  assert(not pcall(load, "return 1", "n", "t", 5) and load("return x", "n", "t", setmetatable({}, { __index = function() return 7 end }))() == 7)
  assert(not pcall(load, function() return {} end) and not pcall(load, function() error "x" end) and load(function() return "" end))
  for _, bad in ipairs { "\27LJ", "#!x\n\27LJ\2", "\239\187\191\27LJ\2", "\239\187\191#x\n\27LJ\2" } do
    for _, mode in ipairs { "b", "t", "bt", "", false } do
      local f, why = load(bad, "n", mode or nil)
      assert(f == nil and why, "bytecode")
    end
    local sent
    assert(not load(function() if sent then return nil end sent = true return bad end, "n", "b"))
    local i = 0
    assert(not load(function() i = i + 1 return i <= #bad and bad:sub(i, i) or nil end, "n", "bt"))
  end
end)
