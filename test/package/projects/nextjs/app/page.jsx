export default function Page() {
  return <p>POST /api/similarity</p>;
}
