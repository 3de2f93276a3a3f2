-- Asks Streamgate whether a viewer's request may pass. Sets txn.streamgate_verdict to passed, refused, anonymous or away,
-- and what Streamgate says besides in further variables. See docs/authz.md.

-- Where to ask: Streamgate's control port.
local address = "http://127.0.0.1:9090/authz"
-- Milliseconds. Longer than Streamgate ever waits for a key or for the verdict of a service of yours: with less, a viewer
-- whose token takes that long would pass as if Streamgate were away.
local patience = 15000
-- Fields of a viewer that are passed on. With as many as HAProxy itself takes, its client ends the whole process.
local most = 80
-- HAProxy tries for some seconds to reach a machine that refuses. Whoever comes so many seconds after that is not made to wait
-- as well.
local pause = 5
local away_until = 0

-- These are for the next hop alone, or said anew below.
local ours = {
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
        if not ours[name] then
            local values = {}
            for _, value in pairs(lines) do
                values[#values + 1] = value
                count = count + 1
            end
            headers[name] = values
        end
    end
    if count > most then
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
        return core.httpclient():get { url = address, headers = headers, timeout = patience }
    end)
    -- A question that cannot even be asked, because the viewer's fields leave no room for ours, is refused.
    local status = ok and answer and answer.status or 0
    local verdict = "refused"
    if status == 200 then
        verdict = "passed"
    elseif status == 401 then
        verdict = "anonymous"
    elseif status == 502 or status == 503 or status == 504 then
        -- Streamgate never says these: it is HAProxy that could not reach it.
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
    local told = {
        state = "streamgate-state", reason = "streamgate-reason", refusal = "streamgate-refusal",
        cmsd = "cmsd-dynamic", cookie = "set-cookie",
    }
    for variable, name in pairs(told) do
        local value = first(answer.headers, name)
        if value then
            txn:set_var("txn.streamgate_" .. variable, value)
        end
    end
    if verdict ~= "passed" then
        -- More does not fit into an answer of HAProxy's own. The fields say the most important of it.
        local body = answer.body or ""
        txn:set_var("txn.streamgate_body", #body <= 8192 and body or "")
    end
end, 0)
