-- expect: ok
on("x", function()
  for _, name in ipairs { "debug", "ffi", "io", "jit", "package", "newproxy", "getfenv", "setfenv", "collectgarbage", "dofile", "loadfile", "module" } do
    assert(rawget(_G, name) == nil, name)
    assert(not pcall(require, name), name)
    assert(load("return " .. name)() == nil, name)
  end
  local seen = {}
  local function walk(v, path)
    if type(v) ~= "table" or seen[v] then return end
    seen[v] = true
    for k, inner in pairs(v) do
      for _, evil in ipairs { "debug", "ffi", "io", "jit", "package", "loaded", "preload", "getfenv", "setfenv", "newproxy", "dump", "execute" } do
        assert(k ~= evil or path == "_G.log", path .. "." .. tostring(k))
      end
      walk(inner, path .. "." .. tostring(k))
    end
    walk(getmetatable(v), path .. "<metatable>")
  end
  walk(_G, "_G")
  walk(counter, "counter")
end)
