-- expect: cut memory
-- Ten bytes for each %0: one alone takes a sanitizer's build as long as a call may.
on("x", function() return (("a"):rep(1e5):gsub("aaaaaaaaaa", ("%0"):rep(1e5))) end)
