-- expect: refused sample: unknown option
-- Options of other kinds than sample has, from a table whose metatable answers anything.
on.trace(sample(setmetatable({ [{}] = 1 }, { __index = error })))
