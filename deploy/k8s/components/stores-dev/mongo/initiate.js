// Succeeds when this server is the primary of its replica set; makes the set when there is none yet.
// Until the image has made the user and started the server anew, logging in fails, and with it the probe.
const fs = require("fs");
const secret = (name) => fs.readFileSync("/run/secrets/mongo/" + name, "utf8").trim();

const admin = connect("mongodb://127.0.0.1:27017/admin?directConnection=true&serverSelectionTimeoutMS=5000");
admin.auth(secret("username"), secret("password"));
try {
  admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  // Named localhost, not by the pod's name: that would not resolve before the pod is ready.
  admin.adminCommand({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "localhost:27017" }] } });
}
if (!admin.hello().isWritablePrimary) throw new Error("not the primary yet");
