-- Refuses requests with an underscore in the name of a header, and says which. Envoy's own setting
-- resets the stream over HTTP/2, without a reason and before it knows the method.
function envoy_on_request(request)
  for name in pairs(request:headers()) do
    if name:find("_", 1, true) then
      local reason = 'the header "' .. name:sub(1, 64) .. '" has an underscore in its name, which this edge refuses'
      request:streamInfo():dynamicMetadata():set("underscores", "reason", reason)
      request:respond({ [":status"] = "400" }, reason)
      return
    end
  end
end
