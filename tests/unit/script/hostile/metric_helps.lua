-- expect: refused help has 10000 bytes
counter "a_total" { help = ("x"):rep(4096) }
counter "b_total" { help = ("x"):rep(10000) }
