-- A row of the torture table: what it does with which figures, and the one line that it prints.
--
--   row { number = 1, name = "kill -9 at random",
--     short = { rounds = 4 }, long = { rounds = 200 },
--     run = function(p) … error("what did not hold") … return "200 rounds, 0 lost, 0 doubled" end }
--
-- `run` gets the figures of TORTURE=short|long and returns the figure that was reached; an error is what did not hold. Whatever the row started through
-- moongate.start or process.spawn ends with it. The program's exit code is 0 when it held.
package.path = "./?.lua;" .. package.path
local moongate = require "tests.spec.support.moongate"

local function say(definition, verdict, text)
  print(("row %02d  %-44s %-7s %s"):format(definition.number, definition.name, verdict, text))
end

return function(definition)
  local mode = os.getenv("TORTURE") or "long"
  local figures = assert(definition[mode], "TORTURE is short or long, not " .. mode)
  local ok, result = xpcall(definition.run, debug.traceback, figures)
  local cleaned, why = pcall(moongate.cleanup)
  if ok and not cleaned then
    ok, result = false, "what it started could not be ended: " .. tostring(why)
  end
  if ok then
    say(definition, "ok", assert(result, "a row returns its figure"))
    os.exit(0)
  end
  io.stderr:write(tostring(result), "\n")
  say(definition, "FAILED", (tostring(result):match("^[^\n]*")))
  os.exit(1)
end
