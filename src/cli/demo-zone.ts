/** The names that the stand-in for CoreDNS knows unless it is given a zone file: all that the examples ask for. */

export const DEMO_ZONE = `; NAME                                  TTL  TYPE   VALUE
; One record per line; a comment begins with ; or #. Save it under another name, edit it while it runs:
;   npm run -s stand-in -- --print-zone > my-zone.txt
;   npm run -s stand-in -- --zone my-zone.txt

; Services of the cluster, as CoreDNS would answer them.
kubernetes.default.svc.cluster.local    30   A      10.96.0.1
kube-dns.kube-system.svc.cluster.local  30   A      10.96.0.10
httpbin.default.svc.cluster.local       30   A      10.96.44.10
sleep.default.svc.cluster.local         30   A      10.96.44.20

; A service on the internet (addresses of documentation ranges).
httpbin.org                             60   A      192.0.2.10
httpbin.org                             60   A      192.0.2.11
httpbin.org                             60   AAAA   2001:db8::10
httpbin.org                             60   AAAA   2001:db8::11
www.httpbin.org                         60   CNAME  httpbin.org

; Three backends behind one host; the second has both families.
backend1.example.com                    30   A      198.51.100.1
backend2.example.com                    30   A      198.51.100.2
backend2.example.com                    30   AAAA   2001:db8:2::2
backend3.example.com                    30   A      203.0.113.3

; The public answer that an entry with resolution DNS follows.
se.example.com                          30   A      8.8.8.8

; Names that no entry claims: forwarded.
example.com                             300  A      192.0.2.80
example.com                             300  AAAA   2001:db8::80
www.example.com                         300  CNAME  example.com
example.org                             300  A      192.0.2.81
example.net                             300  A      192.0.2.82
`;
