-- expect: cut time
on("x", function() ::again:: goto again end)
