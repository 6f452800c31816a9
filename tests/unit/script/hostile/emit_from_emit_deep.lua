-- expect: error too often
on("x", function(ev) emit("x", { n = (ev.n or 0) + 1 }) end)
