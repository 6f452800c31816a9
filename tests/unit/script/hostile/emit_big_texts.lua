-- expect: any
-- What failed emits have copied counts, too; and 64 MiB of texts are not copied to their end when the time is up on the way.
on("x", function()
  local text = ("x"):rep(65536)
  local fields = { zzz = print }
  for i = 1, 1000 do fields["f" .. i] = text end
  local _, e
  for _ = 1, 1000 do _, e = pcall(emit, "y", fields) end
  error(e)
end)
