-- expect: filter takes longer than a call may
filter("x", function() return ("a"):rep(65536):find(".-.-.-b") == 5 end)
