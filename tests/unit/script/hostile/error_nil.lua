-- expect: error the error is no text
on("x", function() error() end)
