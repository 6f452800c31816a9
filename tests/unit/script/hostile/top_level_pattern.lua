-- expect: refused takes longer than it may
(("a"):rep(65536)):find(".-.-.-.-b")
