/** The commands of the first guide that create and delete its objects, as they are written there. */

export const EXTERNAL_FAKE_SVC = `
kubectl apply -f - <<EOF
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: external-fake-svc
  namespace: default
spec:
  exportTo:
  - "*"
  hosts:
  - kmesh-fake.com
  ports:
  - name: http
    number: 80
    protocol: HTTP
  endpoints:
  - address: httpbin.default.svc.cluster.local
    ports:
      http: 8000
  resolution: DNS
EOF
`;

export const EXTERNAL_HTTPBIN_ORG = `
kubectl apply -f - <<EOF
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: external-httpbin-org
  namespace: default
spec:
  hosts:
  - httpbin.org
  ports:
  - number: 80
    name: http
    protocol: HTTP
  resolution: DNS
  location: MESH_EXTERNAL
EOF
`;

export const EXTERNAL_STATIC_SVC = `
kubectl apply -f - <<EOF
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: external-static-svc
  namespace: default
spec:
  hosts:
  - static-service.example.com
  ports:
  - number: 443
    name: https
    protocol: HTTPS
  resolution: STATIC
  endpoints:
  - address: 192.168.1.100
  - address: 192.168.1.101
EOF
`;

export const MULTI_ENDPOINT_SVC = `
kubectl apply -f - <<EOF
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: multi-endpoint-svc
  namespace: default
spec:
  hosts:
  - multi-backend.example.com
  ports:
  - number: 80
    name: http
    protocol: HTTP
  resolution: DNS
  endpoints:
  - address: backend1.example.com
    ports:
      http: 8080
  - address: backend2.example.com
    ports:
      http: 8080
  - address: backend3.example.com
    ports:
      http: 8080
EOF
`;

export const CLEANUP = `
kubectl delete serviceentry external-fake-svc -n default
kubectl delete serviceentry external-httpbin-org -n default
kubectl delete serviceentry external-static-svc -n default 2>/dev/null || true
kubectl delete serviceentry multi-endpoint-svc -n default 2>/dev/null || true
`;
