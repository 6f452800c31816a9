-- expect: any
on("x", function()
  local all = {}
  for i = 1, 3000 do
    local w = setmetatable({}, { __mode = i % 2 == 0 and "k" or "v" })
    for k = 1, 20 do w[{}] = {} w[k] = {} end
    all[i] = w
  end
end)
