-- expect: filter
-- As many new fields as a record takes, and more.
filter("x", function(ev) for i = 1, 5000 do ev["f" .. i] = i end end)
