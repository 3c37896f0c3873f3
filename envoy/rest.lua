-- For requests by REST, around the transcoder: HEAD is answered as GET is, without the
-- body, and an error that the transcoder could not write in JSON keeps its code and
-- message. It can't with a detail of a type that no proto of the edge declares.

function envoy_on_request(request)
  if request:headers():get(":method") == "HEAD" then
    request:streamInfo():dynamicMetadata():set("rest", "head", "yes")
    request:headers():replace(":method", "GET")
  end
end

local function quoted(text)
  text = text:gsub("%%(%x%x)", function(byte) return string.char(tonumber(byte, 16)) end)
  return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

function envoy_on_response(response)
  local headers = response:headers()
  local noted = response:streamInfo():dynamicMetadata():get("rest")
  local head = noted and noted["head"]
  local code = headers:get("grpc-status")
  if code and (headers:get("content-type") or ""):find("application/grpc", 1, true) == 1 then
    local body = '{"code":' .. code .. ',"message":' .. quoted(headers:get("grpc-message") or "") .. ',"details":[]}'
    headers:replace("content-type", "application/json")
    headers:replace("content-length", tostring(#body))
    headers:remove("grpc-status-details-bin")
    response:body(true):setBytes(head and "" or body)
  elseif head then
    for chunk in response:bodyChunks() do
      chunk:setBytes("")
    end
  end
end
