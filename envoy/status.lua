-- For requests that are not native gRPC, between the transcoder of REST and the pods. It notes the
-- status of gRPC for the access log, before gRPC-Web and the transcoder take it out.

local names = {
  ["0"] = "OK", ["1"] = "CANCELLED", ["2"] = "UNKNOWN", ["3"] = "INVALID_ARGUMENT", ["4"] = "DEADLINE_EXCEEDED",
  ["5"] = "NOT_FOUND", ["6"] = "ALREADY_EXISTS", ["7"] = "PERMISSION_DENIED", ["8"] = "RESOURCE_EXHAUSTED",
  ["9"] = "FAILED_PRECONDITION", ["10"] = "ABORTED", ["11"] = "OUT_OF_RANGE", ["12"] = "UNIMPLEMENTED",
  ["13"] = "INTERNAL", ["14"] = "UNAVAILABLE", ["15"] = "DATA_LOSS", ["16"] = "UNAUTHENTICATED",
}

-- By the HTTP status of clientFilters and clientRateFilters.
local refused = { ["403"] = "7", ["429"] = "8" }

function envoy_on_response(response)
  local status = response:headers():get("grpc-status")
  if not status then
    local trailers = response:trailers() -- holds back neither headers nor messages
    status = trailers and trailers:get("grpc-status")
  end
  if not status then -- Envoy has refused it before it was translated
    status = refused[response:headers():get(":status")]
  end
  if status then
    response:streamInfo():dynamicMetadata():set("status", "name", names[status] or status)
  end
end
