-- expect: refused may hold
-- Names of states are kept outside of Lua.
while true do state(("x"):rep(1024)) end
