-- Asks Streamgate whether a viewer's request may pass. Sets txn.streamgate_verdict to passed, refused, anonymous or away
-- (Streamgate is unavailable), and further variables with the details. See docs/authz.md.

-- Streamgate's control port.
local address = "http://127.0.0.1:9090/authz"
-- Milliseconds. Longer than Streamgate waits for a key or for your own service. With a shorter timeout, a viewer whose token
-- takes that long would pass as if Streamgate were unavailable.
local timeout_ms = 15000
-- Maximum header fields of a request. With as many as HAProxy itself accepts, its HTTP client ends the whole process.
local max_fields = 80
-- Seconds without further calls after a failed one. HAProxy tries for some seconds to connect; other viewers do not wait
-- meanwhile.
local pause = 5
local away_until = 0

-- Hop-by-hop headers, and headers that are set below.
local replaced = {
    ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
    ["upgrade"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
    ["x-original-uri"] = true, ["x-original-url"] = true, ["x-forwarded-uri"] = true,
    ["x-original-method"] = true, ["x-forwarded-method"] = true,
    ["x-original-host"] = true, ["x-forwarded-host"] = true,
    ["x-forwarded-proto"] = true, ["x-forwarded-for"] = true, ["forwarded"] = true,
}

local function first(headers, name)
    local lines = headers and headers[name]
    return lines and (lines[0] or lines[1])
end

core.register_action("streamgate", { "http-req" }, function(txn)
    if core.now().sec < away_until then
        txn:set_var("txn.streamgate_verdict", "away")
        return
    end
    local asked, headers, count = txn.http:req_get_headers(), {}, 0
    for name, lines in pairs(asked) do
        if not replaced[name] then
            local values = {}
            for _, value in pairs(lines) do
                values[#values + 1] = value
                count = count + 1
            end
            headers[name] = values
        end
    end
    if count > max_fields then
        txn:set_var("txn.streamgate_verdict", "refused")
        txn:set_var("txn.streamgate_reason", "header-too-large")
        return
    end
    headers["x-original-uri"] = { txn.f:pathq() }
    headers["x-original-method"] = { txn.f:method() }
    headers["x-original-host"] = { first(asked, "host") or "" }
    headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    headers["x-forwarded-for"] = { txn.f:src() }

    local ok, answer = pcall(function()
        return core.httpclient():get { url = address, headers = headers, timeout = timeout_ms }
    end)
    -- If the call cannot be made, because the viewer's headers leave no room for these, the request is refused.
    local status = ok and answer and answer.status or 0
    local verdict = "refused"
    if status == 200 then
        verdict = "passed"
    elseif status == 401 then
        verdict = "anonymous"
    elseif status == 502 or status == 503 or status == 504 then
        -- Streamgate never sends these: HAProxy could not reach it.
        verdict = "away"
        if status == 503 then
            away_until = core.now().sec + pause
        end
        core.Warning("streamgate: no answer from " .. address)
    end
    txn:set_var("txn.streamgate_verdict", verdict)
    if verdict == "away" then
        return
    end
    local fields = {
        state = "streamgate-state", reason = "streamgate-reason", refusal = "streamgate-refusal",
        cmsd = "cmsd-dynamic", cookie = "set-cookie",
    }
    for variable, name in pairs(fields) do
        local value = first(answer.headers, name)
        if value then
            txn:set_var("txn.streamgate_" .. variable, value)
        end
    end
    if verdict ~= "passed" then
        -- A longer body does not fit into a response of HAProxy. The headers have the main fields.
        local body = answer.body or ""
        txn:set_var("txn.streamgate_body", #body <= 8192 and body or "")
    end
end, 0)
