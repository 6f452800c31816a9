-- expect: cut memory
local o = setmetatable({}, { __tostring = function() return ("x"):rep(1e6) end })
on("x", function()
  local many = {}
  for i = 1, 200 do many[i] = o end
  return (("%s"):rep(200)):format(unpack(many))
end)
