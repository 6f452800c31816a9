-- expect: filter
-- What a filter writes is copied into the batch, time after time.
filter("x", function(ev) local text = ("x"):rep(65000) while true do ev.a = text end end)
