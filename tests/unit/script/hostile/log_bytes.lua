-- expect: ok
on("x", function()
  log.warn("\0\1\n\"}\n{\"level\":\"fatal\",\"msg\":\"forged\"", { s = "\255\254\0", n = -1 / 0, script = "scripts/other.lua", level = "debug" })
  log.error("", {})
  log.warn(5)
end)
