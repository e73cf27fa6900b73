#!/bin/sh
# An MCP server of the older era that starts within a moment. `work` is answered, `hang` never is.
while read -r line; do
  id=${line#*\"id\":}
  id=${id%%[,\}]*}
  case $line in
    *'"method":"initialize"'*)
      result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"small","version":"1.0.0"}}' ;;
    *'"method":"tools/list"'*)
      result='{"tools":[{"name":"work","inputSchema":{"type":"object"}},{"name":"hang","inputSchema":{"type":"object"}}]}' ;;
    *'"method":"tools/call"'*'"name":"hang"'*|*'"name":"hang"'*'"method":"tools/call"'*) continue ;;
    *'"method":"tools/call"'*)
      result='{"content":[{"type":"text","text":"worked"}]}' ;;
    *'"method":"notifications/'*) continue ;;
    *)
      printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}\n' "$id"
      continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
