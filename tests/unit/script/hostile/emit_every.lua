-- expect: error emit: too many events from one call
every("1s", function() while true do emit("tick", {}) end end)
on("x", function() end)
