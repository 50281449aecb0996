// Opens sealed items with Bouncy Castle. Each line of standard input names an item, the recipient's kind and its key, the
// signer's certificate or "-", and where the object goes, separated by spaces; each line of standard output is "opened" or
// "refused".
import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.spec.PKCS8EncodedKeySpec;
import javax.crypto.Cipher;
import javax.crypto.spec.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cms.GCMParameters;
import org.bouncycastle.asn1.x509.*;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.operator.*;

public class OpenSealed {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new org.bouncycastle.jce.provider.BouncyCastleProvider());
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.split(" ");
            try {
                byte[] content = open(Files.readAllBytes(Path.of(words[0])), words[1], words[2]);
                byte[] object = words[3].equals("-") ? content : verify(content, Files.readAllBytes(Path.of(words[3])));
                Files.write(Path.of(words[4]), object);
                System.out.println("opened");
            } catch (Exception e) {
                System.out.println("refused");
                System.err.println(e);
            }
        }
    }

    static byte[] open(byte[] sealed, String kind, String key) throws Exception {
        for (Object each : new CMSAuthEnvelopedData(sealed).getRecipientInfos().getRecipients()) {
            if (kind.equals("device") && each instanceof KEKRecipientInformation) {
                byte[] raw = java.util.HexFormat.of().parseHex(key);
                return ((RecipientInformation) each).getContent(new Device(new SecretKeySpec(raw, "AES")));
            }
            if (kind.equals("ec") && each instanceof KeyAgreeRecipientInformation) {
                PrivateKey own = privateKey("EC", key);
                // Of several, the one for this curve.
                int bits = ((java.security.interfaces.ECKey) own).getParams().getCurve().getField().getFieldSize();
                boolean p256 = ((RecipientInformation) each).getKeyEncryptionAlgOID().equals("1.3.132.1.11.1");
                if (p256 == (bits == 256)) {
                    return ((RecipientInformation) each).getContent(new Agreement(own));
                }
            }
            if (kind.equals("rsa") && each instanceof KeyTransRecipientInformation) {
                JceKeyTransRecipient recipient = new JceKeyTransAuthEnvelopedRecipient(privateKey("RSA", key));
                return ((RecipientInformation) each).getContent(recipient.setProvider("BC"));
            }
        }
        throw new CMSException("not a recipient");
    }

    static PrivateKey privateKey(String algorithm, String path) throws Exception {
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(path)));
        return KeyFactory.getInstance(algorithm, "BC").generatePrivate(spec);
    }

    static byte[] verify(byte[] content, byte[] certificate) throws Exception {
        CMSSignedData signed = new CMSSignedData(content);
        X509CertificateHolder signer = new X509CertificateHolder(certificate);
        SignerInformation one = signed.getSignerInfos().getSigners().iterator().next();
        if (!one.getSID().match(signer)
            || !one.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(signer))) {
            throw new CMSException("the signature does not fit");
        }
        return (byte[]) signed.getSignedContent().getContent();
    }

    // Bouncy Castle 1.72 brings AuthEnvelopedData for key transport only. These two are the same for the other kinds.
    static class Agreement extends JceKeyAgreeRecipient {
        Agreement(PrivateKey key) {
            super(key);
            setProvider("BC");
        }

        public RecipientOperator getRecipientOperator(AlgorithmIdentifier keyAlgorithm, AlgorithmIdentifier algorithm,
                SubjectPublicKeyInfo sender, ASN1OctetString material, byte[] encrypted) throws CMSException {
            return operator(extractSecretKey(keyAlgorithm, algorithm, sender, material, encrypted), algorithm);
        }
    }

    static class Device extends JceKEKRecipient {
        Device(javax.crypto.SecretKey key) {
            super(key);
            setProvider("BC");
        }

        public RecipientOperator getRecipientOperator(AlgorithmIdentifier keyAlgorithm, AlgorithmIdentifier algorithm,
                byte[] encrypted) throws CMSException {
            return operator(extractSecretKey(keyAlgorithm, algorithm, encrypted), algorithm);
        }
    }

    static RecipientOperator operator(Key key, AlgorithmIdentifier algorithm) throws CMSException {
        try {
            GCMParameters parameters = GCMParameters.getInstance(algorithm.getParameters());
            Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding", "BC");
            cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key.getEncoded(), "AES"),
                new GCMParameterSpec(parameters.getIcvLen() * 8, parameters.getNonce()));
            return new RecipientOperator(new InputAEADDecryptor() {
                public AlgorithmIdentifier getAlgorithmIdentifier() {
                    return algorithm;
                }

                public InputStream getInputStream(InputStream encrypted) {
                    return new org.bouncycastle.jcajce.io.CipherInputStream(encrypted, cipher);
                }

                public OutputStream getAADStream() {
                    return OutputStream.nullOutputStream();
                }

                public byte[] getMAC() {
                    return null; // at the end of the stream, where the cipher checks it
                }
            });
        } catch (GeneralSecurityException e) {
            throw new CMSException("no cipher", e);
        }
    }
}
