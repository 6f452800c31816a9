-- expect: cut memory
on("x", function() local t = {} while true do t = { t, {}, {} } end end)
