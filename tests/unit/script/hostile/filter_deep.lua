-- expect: filter
filter("x", function(ev) local t = {} t.t = t ev.a = t end)
