# Varnish serves and caches, and asks Streamgate (control port 9090) about each request. The origin is on 8000.
# Plain VCL, for Varnish 6 and 7. Each request runs twice: first to Streamgate, then to the cache or origin. See docs/authz.md.

vcl 4.1;

backend origin {
    .host = "127.0.0.1";
    .port = "8000";
}

backend streamgate {
    .host = "127.0.0.1";
    .port = "9090";
    .connect_timeout = 0.25s;
    # Longer than Streamgate waits for a key or for your own service. With a shorter timeout, a viewer whose token takes that
    # long would pass as if Streamgate were unavailable.
    .first_byte_timeout = 15s;
    .between_bytes_timeout = 15s;
}

sub vcl_recv {
    if (req.restarts == 0) {
        # Only media is served here, with methods that have no body.
        if (req.method != "GET" && req.method != "HEAD" && req.method != "OPTIONS") {
            return (synth(405));
        }
        # Remove these headers from viewers: Streamgate and the origin trust them.
        unset req.http.X-Original-URL;
        unset req.http.X-Forwarded-Uri;
        unset req.http.X-Forwarded-Method;
        unset req.http.X-Forwarded-Host;
        unset req.http.Forwarded;
        unset req.http.Streamgate-State;
        unset req.http.Streamgate-CMSD;
        unset req.http.Streamgate-Cookie;
        unset req.http.Streamgate-Account;
        unset req.http.Streamgate-Application;
        unset req.http.Streamgate-Stream;
        unset req.http.Streamgate-Rule;
        unset req.http.Streamgate-Streams;
        unset req.http.Streamgate-Limit;
        set req.http.X-Original-URI = req.url;
        set req.http.X-Original-Method = req.method;
        set req.http.X-Original-Host = req.http.Host;
        set req.http.X-Forwarded-Proto = "http"; # with TLS in front of Varnish: what the TLS proxy reports
        set req.http.X-Forwarded-For = client.ip;
        set req.url = "/authz";
        set req.method = "GET";
        set req.backend_hint = streamgate;
        return (pass);
    }
    if (req.http.X-Original-URI) {
        set req.url = req.http.X-Original-URI;
        set req.method = req.http.X-Original-Method;
        set req.backend_hint = origin;
        unset req.http.X-Original-URI;
        unset req.http.X-Original-Method;
        unset req.http.X-Original-Host;
        # The origin does not need the token, and cached objects are the same for all viewers.
        unset req.http.Authorization;
        unset req.http.Cookie;
    }
}

sub vcl_backend_fetch {
    # For the viewer, not for the origin.
    unset bereq.http.Streamgate-Cookie;
    unset bereq.http.Streamgate-CMSD;
}

sub vcl_backend_error {
    if (bereq.http.X-Original-URI) {
        # Streamgate never sends 503: it could not be reached.
        set beresp.http.Streamgate-Away = "yes";
        return (deliver);
    }
}

sub vcl_deliver {
    if (req.http.X-Original-URI) {
        # CHOICE: Streamgate is unavailable. All requests pass, because most viewers are within their limit. Without the second
        # half of this condition all requests get 503.
        if (resp.status == 200 || resp.http.Streamgate-Away) {
            # For admitted requests: the state of a policy in mode annotate, and a renewed token. The conditions prevent empty
            # headers.
            if (resp.http.Streamgate-State) {
                set req.http.Streamgate-State = resp.http.Streamgate-State;
            }
            if (resp.http.CMSD-Dynamic) {
                set req.http.Streamgate-CMSD = resp.http.CMSD-Dynamic;
            }
            if (resp.http.Set-Cookie) {
                set req.http.Streamgate-Cookie = resp.http.Set-Cookie;
            }
            return (restart);
        }
        return (deliver);
    }
    if (req.http.Streamgate-CMSD) {
        set resp.http.CMSD-Dynamic = req.http.Streamgate-CMSD;
    }
    if (req.http.Streamgate-Cookie) {
        set resp.http.Set-Cookie = req.http.Streamgate-Cookie;
    }
}
