-- expect: any
-- The compiler, which cannot be interrupted, at texts near the limit of load: each comes to an end, with an error or without.
on("x", function()
  for _, s in ipairs { ("("):rep(60000), ("{"):rep(60000), ("-"):rep(60000) .. "1", ("not "):rep(16000) .. "1", ("do "):rep(20000),
    ("function f() "):rep(4000), "return " .. ("a."):rep(30000) .. "b", "return '" .. ("x"):rep(60000) .. "'", ("if a then "):rep(6000),
    ("a=b "):rep(16000), ("goto x "):rep(9000), "return " .. ("1,"):rep(30000) .. "1", "return " .. ("'a'.."):rep(12000) .. "'a'" } do
    load(s)
  end
end)
