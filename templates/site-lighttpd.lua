-- For lighttpd's mod_magnet: finds the file for a request of a container registry, and says what it is.
local path = lighty.env["uri.path"]
local root = lighty.env["physical.doc-root"]

local function send(file, media_type, digest)
    lighty.env["physical.path"] = root .. "/" .. file
    lighty.header["Content-Type"] = media_type
    lighty.header["Docker-Distribution-Api-Version"] = "registry/2.0"
    lighty.header["X-Content-Type-Options"] = "nosniff"
    lighty.header["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    lighty.header["Docker-Content-Digest"] = digest
    lighty.header["Cache-Control"] =
        path:match("/sha[0-9]+:[0-9a-f]+$") and digest and "public, max-age=31536000, immutable" or "no-cache"
    -- Two manifests may be as old as each other.
    lighty.request["If-Modified-Since"] = nil
end

-- "<media type> <digest>"
local function read_reference(name, reference)
    local file = io.open(root .. "/v2/" .. name .. "/_refs/" .. reference)
    if not file then return nil end
    local media_type, digest = (file:read("*a") or ""):match("^(%S+) (%S+)\n$")
    file:close()
    return media_type, digest
end

if path:match("/%.") then return 404 end
if not path:match("^/v2") then
    lighty.header["Content-Security-Policy"] =
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    lighty.header["X-Frame-Options"] = "DENY"
    return 0
end
if path == "/v2" or path == "/v2/" then
    send("v2/_ping", "application/json")
    return 0
end

local name, reference = path:match("^/v2/(.+)/manifests/([^/]+)$")
if name then
    local media_type, digest = read_reference(name, reference)
    if not digest then return 404 end
    send("v2/" .. name .. "/manifests/" .. digest, media_type, digest)
    return 0
end

local blob = path:match("^/v2/.+/blobs/([^/]+)$")
if lighty.stat(root .. path) then
    if blob then
        send(path:sub(2), "application/octet-stream", blob)
    elseif path:match("^/v2/.+/referrers/[^/]+$") then
        send(path:sub(2), "application/vnd.oci.image.index.v1+json")
    else
        send(path:sub(2), "application/json")
    end
end
return 0
