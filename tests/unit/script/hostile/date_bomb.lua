-- expect: error os.date: a format of
on("x", function() os.date(("%c"):rep(1e6)) end)
