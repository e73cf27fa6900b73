#!/bin/sh
# What the conformance tool starts for each scenario, all at once: hands it on to the test's process, by a file in the folder
# $1, and waits for its word in a pipe. A process of Node for each would keep a small machine busy for half a minute.
request="$1/$$"
mkfifo "$request.answer"
printf '%s\n%s\n%s\n' "$MCP_CONFORMANCE_SCENARIO" "$2" "${MCP_CONFORMANCE_CONTEXT:-{\}}" > "$request.draft"
mv "$request.draft" "$request.request"
read -r code < "$request.answer"
exit "$code"
