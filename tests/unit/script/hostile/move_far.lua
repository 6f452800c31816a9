-- expect: cut time
on("x", function() table.move({}, 1, 2 ^ 31 - 2, 2, {}) end)
