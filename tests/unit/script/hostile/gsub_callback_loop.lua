-- expect: cut time
on("x", function() return (("xx"):gsub(".", function() while true do end end)) end)
