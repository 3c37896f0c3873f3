-- For requests that are not native gRPC, between gRPC-Web and the transcoder of REST.

-- The status of gRPC for what Envoy or a proxy answers in HTTP.
local statuses = {
  ["400"] = 13, ["401"] = 16, ["403"] = 7, ["404"] = 12, ["408"] = 4, ["413"] = 8, ["421"] = 12,
  ["429"] = 8, ["500"] = 13, ["502"] = 14, ["503"] = 14, ["504"] = 4,
}

-- HEAD is called as GET, except where a method is bound to HEAD itself. A content type of
-- gRPC loses its parameters, with which Envoy does not take it for gRPC.
function envoy_on_request(request)
  local headers = request:headers()
  local noted = request:streamInfo():dynamicMetadata()
  if (headers:get("content-type") or ""):find("^application/grpc") then
    noted:set("answers", "grpc", "yes")
    if headers:get("content-type"):find("^application/grpc%s*;") then
      headers:replace("content-type", "application/grpc")
    end
  elseif headers:get(":method") == "HEAD" then
    noted:set("answers", "head", "yes")
    if not request:filterContext():get("head") then headers:replace(":method", "GET") end
  end
end

local function quoted(text)
  text = text:gsub("%%(%x%x)", function(byte) return string.char(tonumber(byte, 16)) end)
  return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

-- For a gRPC caller, an answer that is not gRPC becomes one that consists only of a status.
local function toGRPC(response)
  local body = response:body(true) -- waits for it, after which older objects are void
  local headers = response:headers()
  local message = body:getBytes(0, math.min(body:length(), 1024))
  headers:replace("grpc-status", tostring(statuses[headers:get(":status")] or 2))
  headers:replace("grpc-message", (message:gsub("[^ -$&-~]", function(c) return string.format("%%%02X", c:byte()) end)))
  headers:replace("content-type", "application/grpc")
  headers:replace(":status", "200")
  headers:remove("content-length")
  body:setBytes("")
end

-- An error that the transcoder could not write in JSON, for a detail of a type that no
-- proto of the edge declares, keeps its code and message.
local function toJSON(response, headers, head)
  local body = '{"code":' .. headers:get("grpc-status") .. ',"message":' .. quoted(headers:get("grpc-message") or "") .. ',"details":[]}'
  headers:replace("content-type", "application/json")
  headers:replace("content-length", tostring(#body))
  headers:remove("grpc-status-details-bin")
  response:body(true):setBytes(head and "" or body)
end

function envoy_on_response(response)
  local headers = response:headers()
  local noted = response:streamInfo():dynamicMetadata():get("answers") or {}
  local isGRPC = (headers:get("content-type") or ""):find("^application/grpc")
  if noted["grpc"] then
    if not isGRPC then toGRPC(response) end
  elseif isGRPC and headers:get("grpc-status") then
    toJSON(response, headers, noted["head"])
  elseif noted["head"] then
    for chunk in response:bodyChunks() do
      chunk:setBytes("")
    end
  end
end
